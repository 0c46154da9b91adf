-- Safe to run at every start: each statement leaves an existing database as it is.

CREATE TABLE IF NOT EXISTS products (
    sku          text PRIMARY KEY,
    name         text NOT NULL,
    description  text NOT NULL,
    price_cents  integer NOT NULL CHECK (price_cents > 0)
);

CREATE TABLE IF NOT EXISTS orders (
    id               uuid PRIMARY KEY,
    idempotency_key  text NOT NULL UNIQUE,
    cart_id          text NOT NULL,
    total_cents      bigint NOT NULL CHECK (total_cents > 0),
    placed_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS order_lines (
    order_id     uuid NOT NULL REFERENCES orders (id),
    sku          text NOT NULL,
    name         text NOT NULL,
    quantity     integer NOT NULL CHECK (quantity > 0),
    price_cents  integer NOT NULL,
    PRIMARY KEY (order_id, sku)
);

INSERT INTO products (sku, name, description, price_cents) VALUES
    ('apron-linen', 'Linen apron', 'Heavy linen with two deep pockets and a cross back.', 3900),
    ('board-oak', 'Oak cutting board', 'End grain, oiled, 40 by 30 centimetres.', 5400),
    ('bowl-stone', 'Stoneware bowl', 'Hand-thrown, speckled glaze, holds 900 millilitres.', 2600),
    ('cloth-waffle', 'Waffle dish cloths', 'Set of four in washed cotton.', 1400),
    ('grinder-salt', 'Salt grinder', 'Ceramic mill in a beech body.', 3200),
    ('jar-preserve', 'Preserving jar', 'One litre, glass lid with a rubber seal.', 750),
    ('kettle-steel', 'Stove-top kettle', 'Brushed steel, whistles at a full boil.', 6900),
    ('knife-chef', 'Chef''s knife', 'Forged carbon steel, 20 centimetre blade.', 8900),
    ('mug-enamel', 'Enamel mug', 'White with a blue rim, 350 millilitres.', 1100),
    ('pan-iron', 'Cast iron pan', 'Pre-seasoned, 26 centimetres, lasts for generations.', 4700),
    ('spoon-olive', 'Olive wood spoon', 'Cut from one piece, 30 centimetres.', 1250),
    ('teapot-glass', 'Glass teapot', 'Borosilicate glass with a steel strainer.', 3400)
ON CONFLICT (sku) DO NOTHING;
