output "role_arns" {
  description = "ARNs of the roles `control`, `build`, `deploy-staging`, `deploy-production`, `rescan`, `backup` and `signer`."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}
