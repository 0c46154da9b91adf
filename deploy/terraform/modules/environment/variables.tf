variable "environment" {
  description = "Name of the environment, as in the declaration."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "It is `staging` or `production`."
  }
}

variable "zones" {
  description = "Three availability zones."
  type        = list(string)
}

variable "network" {
  description = "The network's addresses, and how many NAT gateways it has."
  type = object({
    cidr         = string
    nat_gateways = number
  })
}

variable "peer" {
  description = "The pipeline's network where it is another one; see the module network."
  type = object({
    vpc_id          = string
    cidr            = string
    route_table_ids = map(string)
  })
  default = null
}

variable "cluster" {
  description = "Version, nodes and limits of the cluster; see the module eks."
  type = object({
    kubernetes_version = string
    nodes = object({
      instance_types = list(string)
      minimum        = number
      maximum        = number
      disk_gigabytes = number
    })
    karpenter = object({
      instance_families = list(string)
      cores             = number
    })
  })
}

variable "api_client_cidrs" {
  description = "Who reaches Kubernetes' API besides the network itself, by what they are for."
  type        = map(string)
  default     = {}
}

variable "administrators" {
  description = "ARNs of the roles of people who may do everything in the cluster."
  type        = set(string)
}

variable "deploy_role_arn" {
  description = "ARN of the pipeline's role that deploys here."
  type        = string
}

variable "read_role_arn" {
  description = "ARN of the pipeline's role that looks at what was deployed here."
  type        = string
}

variable "registry" {
  description = "The registry that nodes pull from; see the module eks."
  type = object({
    account = string
    region  = string
    prefix  = string
  })
}

variable "database" {
  description = "PostgreSQL; see the module rds."
  type = object({
    name              = string
    instance_class    = string
    gigabytes         = number
    maximum_gigabytes = number
    backup_days       = number
  })
}

variable "cache" {
  description = "Redis; see the module redis."
  type = object({
    node_type = string
    nodes     = number
  })
}

variable "secrets" {
  description = "Secrets by name, with what each is for; see the module secrets."
  type        = map(string)
}

variable "edge" {
  description = "Hosted zone and domain, and whether the load balancer is there already; see the module edge."
  type = object({
    zone_id             = string
    domain              = string
    load_balancer_ready = bool
  })
}

variable "monitoring" {
  description = "Who is told by mail, and the disks of Prometheus; see the module monitoring."
  type = object({
    recipients           = set(string)
    prometheus_gigabytes = number
  })
}
