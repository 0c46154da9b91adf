# Staging: what production is, smaller, and reached by the pipeline from its own network.

module "environment" {
  source    = "../modules/environment"
  providers = { aws = aws, aws.global = aws.global, helm = helm, random = random }

  environment      = "staging"
  zones            = var.zones
  network          = var.network
  peer             = var.pipeline.network
  cluster          = var.cluster
  api_client_cidrs = merge(var.api_client_cidrs, { pipeline = var.pipeline.network.cidr })
  administrators   = var.administrators
  deploy_role_arn  = var.pipeline.deploy_role_arn
  read_role_arn    = var.pipeline.read_role_arn
  registry         = { account = var.account, region = var.region, prefix = "shopkart/" }
  database         = var.database
  cache            = var.cache
  secrets          = var.secrets
  edge             = var.edge
  monitoring       = merge(var.monitoring, { recipients = var.alarm_recipients })
}
