# AWS takes a firewall's log group only where its name begins so.
resource "aws_cloudwatch_log_group" "firewall" {
  provider = aws.global

  name              = "aws-waf-logs-${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.global_logs_key_arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  provider = aws.global

  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.firewall.arn]

  dynamic "redacted_fields" {
    for_each = toset(["authorization", "cookie"])

    content {
      single_header {
        name = redacted_fields.value
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "requests" {
  provider = aws.global

  name              = "/${var.name}/cloudfront"
  retention_in_days = var.log_days
  kms_key_id        = var.global_logs_key_arn
}

resource "aws_cloudwatch_log_delivery_source" "requests" {
  provider = aws.global
  count    = var.load_balancer_ready ? 1 : 0

  name         = "${var.name}-requests"
  log_type     = "ACCESS_LOGS"
  resource_arn = aws_cloudfront_distribution.this[0].arn
}

resource "aws_cloudwatch_log_delivery_destination" "requests" {
  provider = aws.global

  name          = "${var.name}-requests"
  output_format = "json"

  delivery_destination_configuration {
    destination_resource_arn = aws_cloudwatch_log_group.requests.arn
  }
}

resource "aws_cloudwatch_log_delivery" "requests" {
  provider = aws.global
  count    = var.load_balancer_ready ? 1 : 0

  delivery_source_name     = aws_cloudwatch_log_delivery_source.requests[0].name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.requests.arn
}
