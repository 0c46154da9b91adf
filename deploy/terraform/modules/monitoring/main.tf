# Prometheus, Alertmanager and Grafana by their own chart, with the values that the declaration gives; and alarms of
# CloudWatch for what is below them, which still ring when the cluster does not.

resource "helm_release" "prometheus" {
  name             = "monitoring"
  repository       = "https://prometheus-community.github.io/helm-charts"
  chart            = "kube-prometheus-stack"
  version          = var.chart_version
  namespace        = "monitoring"
  create_namespace = true

  values = [
    file(var.values_file),
    yamlencode({
      prometheus = {
        prometheusSpec = {
          externalLabels = { cluster = var.cluster_name }
          replicas       = 2
          storageSpec = {
            volumeClaimTemplate = {
              spec = {
                accessModes = ["ReadWriteOnce"]
                resources   = { requests = { storage = "${var.prometheus_gigabytes}Gi" } }
              }
            }
          }
        }
      }
    }),
  ]
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.alarms_key_arn
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = var.recipients

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

locals {
  # A measure that is missing is an alarm, never a good sign; requests alone may be missing, by night.
  alarms = merge(
    {
      database-cpu = {
        namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.database.identifier }
        statistic = "Average", comparison = "GreaterThanThreshold", threshold = 80, missing = "breaching"
      }
      database-disk = {
        namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.database.identifier }
        statistic = "Minimum", comparison = "LessThanThreshold", threshold = var.database.minimum_free_bytes, missing = "breaching"
      }
      redis-memory = {
        namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { ReplicationGroupId = var.redis_id }
        statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 80, missing = "breaching"
      }
    },
    var.load_balancer_arn_suffix == null ? {} : {
      load-balancer-errors = {
        namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", dimensions = { LoadBalancer = var.load_balancer_arn_suffix }
        statistic = "Sum", comparison = "GreaterThanThreshold", threshold = 25, missing = "notBreaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "See docs/runbook.md."
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
