"""The pages of the shop and the forms on them. A form that changed something answers with a redirect."""

from dataclasses import dataclass
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from storefront_frontend.forms import (
    MalformedForm,
    cart_id_of,
    checked_token,
    form_of,
    keep_cart,
    new_token,
    quantity_of,
)
from storefront_frontend.shop import Json, Shop
from storefront_frontend.views import Views

EMPTY_CART: Json = {"items": [], "total_cents": 0}
_STYLE_HEADERS = {"cache-control": "public, max-age=300"}


@dataclass(frozen=True)
class Pages:
    """The shop's pages over the backend."""

    shop: Shop
    views: Views

    def routes(self) -> list[Route]:
        """Every page and form."""
        return [
            Route("/", self.home),
            Route("/products/{sku}", self.product),
            Route("/cart", self.cart),
            Route("/cart/items", self.put_item, methods=["POST"]),
            Route("/checkout", self.check_out, methods=["POST"]),
            Route("/orders/{order_id}", self.order),
            Route("/static/style.css", style),
        ]

    async def home(self, request: Request) -> Response:
        """The catalogue."""
        return self.views.page("home.html", products=await self.shop.products())

    async def product(self, request: Request) -> Response:
        """One product and the form that puts it into the cart."""
        product = await self.shop.product(request.path_params["sku"])
        if product is None:
            raise HTTPException(404)
        return self.views.page("product.html", product=product)

    async def cart(self, request: Request) -> Response:
        """The cart, to be changed or ordered. Each view has its own order key: a double click orders once."""
        cart_id = cart_id_of(request)
        cart = await self.shop.cart(cart_id) if cart_id else EMPTY_CART
        return self.views.page("cart.html", cart=cart, order_key=new_token())

    async def put_item(self, request: Request) -> Response:
        """Sets the quantity of one product in the customer's cart, which is made here if there is none."""
        form, cart_id = await form_of(request), cart_id_of(request) or new_token()
        if await self.shop.put(cart_id, form.get("sku", ""), quantity_of(form.get("quantity", ""))) is None:
            raise HTTPException(404)
        response = RedirectResponse("/cart", 303)
        keep_cart(response, cart_id, secure=request.headers.get("x-forwarded-proto") == "https")
        return response

    async def check_out(self, request: Request) -> Response:
        """Places the order and shows it."""
        key = checked_token((await form_of(request)).get("order_key", ""))
        cart_id = cart_id_of(request)
        if key is None or cart_id is None:
            raise MalformedForm
        order = await self.shop.order(cart_id, key)
        return RedirectResponse(f"/orders/{order['id']}", 303)

    async def order(self, request: Request) -> Response:
        """A placed order."""
        order = await self.shop.placed(request.path_params["order_id"])
        if order is None:
            raise HTTPException(404)
        return self.views.page("order.html", order=order)


async def style(_: Request) -> Response:
    """The stylesheet."""
    content = files("storefront_frontend").joinpath("static/style.css").read_bytes()
    return Response(content, media_type="text/css", headers=_STYLE_HEADERS)
