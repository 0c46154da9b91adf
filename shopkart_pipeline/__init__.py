"""ShopKart's CI/CD pipeline: every merge becomes a release, and a release is data.

Rooms, from the top down (imports point down only; `docs/architecture.md` tells the way of one release):

- `definitions`  the Dagster code location; merges `defs`, nothing else
- `defs`         assets, gate checks, jobs and sensors: short functions that call a service
- `cli`, `hooks` the other two doors: the `shopkart` command and the webhook receiver
- `engine`       what makes Dagster fast on one machine
- `wiring`       the only chooser of real adapters
- `settings`     the only reader of environment variables
- `services`     one use case per file, ports passed in
- `adapters`     one tool per file
- `spec`         `shopkart.yaml` to domain data
- `ports`        one small abstract class per outside thing
- `domain`       frozen data and pure decisions
"""
