output "role_arns" {
  description = "ARNs of the roles `control`, `build`, `deploy-staging`, `deploy-production`, `rescan`, `backup`, `signer`, `webserver` and `external-secrets`."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}
