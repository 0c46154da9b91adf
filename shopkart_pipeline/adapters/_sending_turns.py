"""Who sends at the moment, in a database that all who could send share: one holder for each sender, until a moment."""

from datetime import datetime

from shopkart_pipeline.adapters._postgres import Database

_TAKE = """
INSERT INTO shopkart_turns AS known VALUES (%s, %s, %s)
ON CONFLICT (sender) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE known.holder = excluded.holder OR known.until <= %s
"""


def take_turn(database: Database, sender: str, holder: str, until: datetime, now: datetime) -> bool:
    """Become the one who sends, until that moment; False while somebody else is."""
    values = (sender, holder, until, now)
    return database.write(lambda connection: connection.execute(_TAKE, values).rowcount == 1)


def end_turn(database: Database, sender: str, holder: str) -> None:
    """Let others send; does nothing where somebody else has the turn."""
    sql = "DELETE FROM shopkart_turns WHERE sender = %s AND holder = %s"
    database.write(lambda connection: connection.execute(sql, (sender, holder)))
