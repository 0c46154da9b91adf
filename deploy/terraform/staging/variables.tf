variable "region" {
  description = "AWS region."
  type        = string
}

variable "account" {
  description = "The AWS account, twelve digits: credentials for another one are refused."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An account has twelve digits."
  }
}

variable "zones" {
  description = "Three availability zones of the region."
  type        = list(string)
}

variable "network" {
  description = "The network's addresses, and how many NAT gateways it has."
  type = object({
    cidr         = string
    nat_gateways = number
  })
}

variable "cluster" {
  description = "The cluster; see the module environment."
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
  description = "Secrets by name, with what each is for."
  type        = map(string)
}

variable "monitoring" {
  description = "Disks of Prometheus."
  type = object({
    prometheus_gigabytes = number
  })
}

variable "alarm_recipients" {
  description = "Mail addresses of those who are told where the inner monitoring is blind."
  type        = set(string)
}

variable "edge" {
  description = "Hosted zone, domain, and whether the load balancer is there already (false for the first apply)."
  type = object({
    zone_id             = string
    domain              = string
    load_balancer_ready = bool
  })
}

variable "administrators" {
  description = "ARNs of the roles of people who may do everything in the cluster, the one that applies this among them."
  type        = set(string)
}

variable "api_client_cidrs" {
  description = "Who reaches Kubernetes' API besides the network itself, such as people's VPN, by what they are for."
  type        = map(string)
  default     = {}
}

variable "pipeline" {
  description = "From production's outputs: the pipeline's network, and its roles that deploy and look here."
  type = object({
    network = object({
      vpc_id          = string
      cidr            = string
      route_table_ids = map(string)
    })
    deploy_role_arn = string
    read_role_arn   = string
  })
}
