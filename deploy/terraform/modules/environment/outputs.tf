output "cluster" {
  description = "The cluster: name, ARN, endpoint and certificate of its authority."
  value = {
    name                  = module.eks.name
    arn                   = module.eks.arn
    endpoint              = module.eks.endpoint
    certificate_authority = module.eks.certificate_authority
  }
}

output "network" {
  description = "The network, as `peer` of another one takes it."
  value = {
    vpc_id          = module.network.vpc_id
    cidr            = module.network.cidr
    route_table_ids = module.network.private_route_table_ids
  }
}

output "data_subnet_ids" {
  description = "Subnets for databases, one in each zone."
  value       = module.network.data_subnet_ids
}

output "node_security_group_id" {
  description = "Security group of the cluster's nodes, from which databases are reached."
  value       = module.eks.node_security_group_id
}

output "database" {
  description = "PostgreSQL: host, port, and where its password is kept."
  value = {
    address    = module.rds.address
    port       = module.rds.port
    secret_arn = module.rds.master_secret_arn
  }
}

output "redis" {
  description = "Redis: hosts for writes and for reads."
  value       = { primary = module.redis.primary_address, reader = module.redis.reader_address }
}

output "gateway" {
  description = "Namespace and name of the Gateway, for `options` of the environment."
  value       = module.edge.gateway
}

output "key_arns" {
  description = "ARNs of the environment's KMS keys, by name."
  value       = module.kms.arns
}
