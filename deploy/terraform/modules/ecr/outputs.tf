output "repository_arns" {
  description = "ARNs of the repositories, by service."
  value       = { for service, repository in aws_ecr_repository.this : service => repository.arn }
}

output "repository_urls" {
  description = "Addresses of the repositories, by service."
  value       = { for service, repository in aws_ecr_repository.this : service => repository.repository_url }
}
