output "pipeline" {
  description = "For `pipeline` of the staging root: the pipeline's network, and its roles that deploy and look there."
  value = {
    network         = module.environment.network
    deploy_role_arn = module.iam.role_arns["deploy-staging"]
    read_role_arn   = module.iam.role_arns["control"]
  }
}

output "role_arns" {
  description = "ARNs of the pipeline's roles; each belongs to the service account of its name."
  value       = module.iam.role_arns
}

output "signer_uri" {
  description = "For SHOPKART_SIGNER_URI."
  value       = "awskms:${module.kms.signing_key_arn}"
}

output "buckets" {
  description = "Names of the buckets for evidence, backups, outputs of stages and access logs."
  value       = module.storage.bucket_names
}

output "repositories" {
  description = "Addresses of the image repositories, by service."
  value       = module.ecr.repository_urls
}

output "github_publish_role_arn" {
  description = "ARN of the role of the workflow that releases the pipeline."
  value       = module.github.publish_role_arn
}

output "cluster" {
  description = "The cluster of production."
  value       = module.environment.cluster.name
}

output "gateway" {
  description = "For `options` of the environment: the Gateway's namespace and name."
  value       = module.environment.gateway
}

output "database" {
  description = "PostgreSQL of production: host, port, and where its password is kept."
  value       = module.environment.database
}

output "pipeline_database" {
  description = "PostgreSQL of the pipeline: host, port, and where its password is kept."
  value = {
    address    = module.pipeline_database.address
    port       = module.pipeline_database.port
    secret_arn = module.pipeline_database.master_secret_arn
  }
}

output "redis" {
  description = "Redis of production: hosts for writes and for reads."
  value       = module.environment.redis
}
