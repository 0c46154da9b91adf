# All that one environment of the shop needs. Both roots call it, so staging is what production is, only smaller.

locals {
  name = "shopkart-${var.environment}"
  keys = {
    alarms   = { description = "Alarms of ${local.name}.", policy = "alarms" }
    cluster  = { description = "Kubernetes' secrets of ${local.name}." }
    database = { description = "PostgreSQL and Redis of ${local.name}." }
    logs     = { description = "Logs of ${local.name}.", policy = "logs" }
    secrets  = { description = "Secrets of ${local.name}." }
  }
}

module "kms" {
  source = "../kms"

  name = local.name
  keys = local.keys
}

module "global_kms" {
  source    = "../kms"
  providers = { aws = aws.global }

  name = local.name
  keys = { edge_logs = { description = "CloudFront's logs of ${local.name}.", policy = "logs" } }
}

module "network" {
  source = "../network"

  name         = local.name
  cidr         = var.network.cidr
  zones        = var.zones
  nat_gateways = var.network.nat_gateways
  logs_key_arn = module.kms.arns["logs"]
  peer         = var.peer
}

module "eks" {
  source = "../eks"

  name               = local.name
  kubernetes_version = var.cluster.kubernetes_version
  subnet_ids         = module.network.private_subnet_ids
  api_client_cidrs   = var.api_client_cidrs
  key_arn            = module.kms.arns["cluster"]
  logs_key_arn       = module.kms.arns["logs"]
  nodes              = var.cluster.nodes
  karpenter          = var.cluster.karpenter
  administrators     = var.administrators
  registry           = var.registry

  readers = { control = var.read_role_arn }
  deployers = {
    (var.environment) = { role_arn = var.deploy_role_arn, namespaces = [var.environment] }
  }
}

module "rds" {
  source = "../rds"

  name                      = local.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = { nodes = module.eks.node_security_group_id }
  key_arn                   = module.kms.arns["database"]
  logs_key_arn              = module.kms.arns["logs"]
  database                  = var.database
}

module "redis" {
  source = "../redis"

  name                      = local.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = { nodes = module.eks.node_security_group_id }
  key_arn                   = module.kms.arns["database"]
  logs_key_arn              = module.kms.arns["logs"]
  cache                     = var.cache
}

module "secrets" {
  source = "../secrets"

  prefix  = "shopkart/${var.environment}"
  secrets = var.secrets
  key_arn = module.kms.arns["secrets"]
}

module "edge" {
  source    = "../edge"
  providers = { aws = aws, aws.global = aws.global, helm = helm }

  name                = local.name
  cluster             = { name = module.eks.is_ready, arn = module.eks.arn }
  network             = { vpc_id = module.network.vpc_id, subnet_ids = module.network.private_subnet_ids }
  zone_id             = var.edge.zone_id
  domain              = var.edge.domain
  load_balancer_ready = var.edge.load_balancer_ready
  route_namespaces    = [var.environment]
  global_logs_key_arn = module.global_kms.arns["edge_logs"]
}

module "monitoring" {
  source = "../monitoring"

  name                     = local.name
  cluster_name             = module.eks.is_ready
  values_file              = "${path.module}/../../../monitoring/kubernetes/helm-values.yaml"
  prometheus_gigabytes     = var.monitoring.prometheus_gigabytes
  recipients               = var.monitoring.recipients
  alarms_key_arn           = module.kms.arns["alarms"]
  redis_id                 = module.redis.id
  load_balancer_arn_suffix = module.edge.load_balancer_arn_suffix

  database = {
    identifier         = module.rds.identifier
    minimum_free_bytes = var.database.gigabytes * 1024 * 1024 * 1024 / 10
  }
}
