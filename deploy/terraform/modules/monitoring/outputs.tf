output "topic_arn" {
  description = "Where alarms go, for further subscriptions."
  value       = aws_sns_topic.alarms.arn
}
