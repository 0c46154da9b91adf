"""The shell that every storefront service wears: settings, health, metrics, structured logs and the drain.

A service brings routes and checks of what it depends on; everything that operators see is decided here once,
so that two services cannot differ in it. Nothing in this package knows what a service sells.
"""
