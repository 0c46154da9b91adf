output "publish_role_arn" {
  description = "ARN of the role that the workflow of the environment `release` takes."
  value       = aws_iam_role.publish.arn
}
