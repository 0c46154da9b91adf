output "cluster" {
  description = "The cluster of staging."
  value       = module.environment.cluster.name
}

output "gateway" {
  description = "For `options` of the environment: the Gateway's namespace and name."
  value       = module.environment.gateway
}

output "database" {
  description = "PostgreSQL of staging: host, port, and where its password is kept."
  value       = module.environment.database
}

output "redis" {
  description = "Redis of staging: hosts for writes and for reads."
  value       = module.environment.redis
}
