"""The routes of the shop. Each one checks its input, asks the stores, and says it in JSON."""

import uuid
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from storefront_backend.answers import (
    Refusal,
    body_of,
    cart_id_of,
    cart_json,
    idempotency_key_of,
    order_json,
    product_json,
    quantity_of,
)
from storefront_backend.carts import CartStore
from storefront_backend.catalogue import Catalogue
from storefront_backend.orders import KeyReused, Order, OrderBook


@dataclass(frozen=True)
class Api:
    """The shop's routes over its three stores."""

    catalogue: Catalogue
    carts: CartStore
    orders: OrderBook

    def routes(self) -> list[Route]:
        """Every route with its methods."""
        return [
            Route("/catalogue", self.list_products),
            Route("/catalogue/{sku}", self.show_product),
            Route("/carts/{cart_id}", self.show_cart),
            Route("/carts/{cart_id}", self.remove_cart, methods=["DELETE"]),
            Route("/carts/{cart_id}/items", self.put_item, methods=["POST"]),
            Route("/orders", self.place_order, methods=["POST"]),
            Route("/orders/{order_id:uuid}", self.show_order),
        ]

    async def list_products(self, _: Request) -> Response:
        """Every product that the shop sells."""
        return JSONResponse({"products": [product_json(one) for one in await self.catalogue.all()]})

    async def show_product(self, request: Request) -> Response:
        """One product, or 404."""
        product = await self.catalogue.find(request.path_params["sku"])
        if product is None:
            raise _unknown_product()
        return JSONResponse(product_json(product))

    async def show_cart(self, request: Request) -> Response:
        """A cart; one that nobody has used is empty."""
        cart_id = cart_id_of(request.path_params["cart_id"])
        return await self._cart(cart_id, await self.carts.read(cart_id))

    async def put_item(self, request: Request) -> Response:
        """Makes `quantity` the number of `sku` in the cart; 0 takes it out. Safe to send again."""
        cart_id = cart_id_of(request.path_params["cart_id"])
        body = await body_of(request)
        sku, quantity = str(body.get("sku", "")), quantity_of(body.get("quantity"))
        if await self.catalogue.find(sku) is None:
            raise _unknown_product()
        return await self._cart(cart_id, await self.carts.put(cart_id, sku, quantity))

    async def remove_cart(self, request: Request) -> Response:
        """Forgets a cart, whether there was one or not."""
        await self.carts.remove(cart_id_of(request.path_params["cart_id"]))
        return Response(status_code=204)

    async def place_order(self, request: Request) -> Response:
        """Orders what is in the cart and empties it. The same `Idempotency-Key` gets the same order."""
        key = idempotency_key_of(request)
        cart_id = cart_id_of((await body_of(request)).get("cart_id"))
        try:
            order = await self._ordered(key or uuid.uuid4().hex, cart_id)
        except KeyReused as error:
            raise Refusal(422, "idempotency_key_reused", "This key was used for another cart.") from error
        if order is None:
            raise Refusal(409, "cart_empty", "There is nothing in this cart.")
        return JSONResponse(order_json(order), 201, {"location": f"/orders/{order.id}"})

    async def show_order(self, request: Request) -> Response:
        """A placed order, or 404."""
        order = await self.orders.find(request.path_params["order_id"])
        if order is None:
            raise Refusal(404, "unknown_order", "There is no such order.")
        return JSONResponse(order_json(order))

    async def _ordered(self, key: str, cart_id: str) -> Order | None:
        items = await self.carts.read(cart_id)
        products = await self.catalogue.find_each(items)
        if not products:
            return await self.orders.placed_with(key, cart_id)
        placement = await self.orders.place(key, cart_id, {products[sku]: items[sku] for sku in products})
        if placement.is_new:
            await self.carts.remove(cart_id)
        return placement.order

    async def _cart(self, cart_id: str, items: dict[str, int]) -> Response:
        return JSONResponse(cart_json(cart_id, items, await self.catalogue.find_each(items)))


def _unknown_product() -> Refusal:
    return Refusal(404, "unknown_product", "The shop does not sell this product.")
