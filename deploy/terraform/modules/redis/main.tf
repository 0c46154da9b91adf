# Redis with replicas in other zones, TLS and AUTH.

resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "Without a way out, in three zones."
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-redis"
  description = "Redis of ${var.name}."
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-redis" }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = each.value
  description                  = "Redis from ${each.key}."
  from_port                    = 6379
  to_port                      = 6379
  ip_protocol                  = "tcp"
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["engine-log", "slow-log"])

  name              = "/aws/elasticache/${var.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.logs_key_arn
}

# The provider has no way to set a first token without writing it into the state. So it counts until it is rotated, right
# after the first apply (README.md), and Terraform leaves the token alone from then on.
resource "random_password" "first_token" {
  length  = 64
  special = false
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Redis of ${var.name}."
  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.cache.node_type
  num_cache_clusters   = var.cache.nodes
  port                 = 6379

  automatic_failover_enabled = true
  multi_az_enabled           = true
  auto_minor_version_upgrade = true

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  auth_token                 = random_password.first_token.result
  auth_token_update_strategy = "ROTATE"

  subnet_group_name        = aws_elasticache_subnet_group.this.name
  security_group_ids       = [aws_security_group.this.id]
  snapshot_retention_limit = 7
  snapshot_window          = "01:00-02:00"
  maintenance_window       = "tue:03:00-tue:04:00"

  dynamic "log_delivery_configuration" {
    for_each = aws_cloudwatch_log_group.this

    content {
      destination      = log_delivery_configuration.value.name
      destination_type = "cloudwatch-logs"
      log_format       = "json"
      log_type         = log_delivery_configuration.key
    }
  }

  lifecycle {
    ignore_changes = [auth_token]
  }
}
