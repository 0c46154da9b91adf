"""Keep the pipeline's own log stores up to date; stores of others keep themselves."""

from shopkart_pipeline.services.platform import Platform


def keep_logs(platform: Platform) -> tuple[str, ...]:
    """Take in what services wrote meanwhile, and let go of what is old; returns what did not go well."""
    now = platform.clock.now()
    # Environments on this machine have one store, which is asked for each of them and tells the same.
    return tuple(dict.fromkeys(line for site in platform.sites.values() for line in site.logs.keep_up(now)))
