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

variable "repositories" {
  description = "Services whose images are kept; the pipeline's own image is kept besides."
  type        = set(string)
}

variable "evidence" {
  description = "For how many days evidence can't be changed or removed."
  type        = object({ days = number })

  validation {
    condition     = var.evidence.days >= 365
    error_message = "Auditors ask for a year at least."
  }
}

variable "github" {
  description = "The organisation, its repositories, the pipeline's own, and numbers of the teams that release it; see the module github."
  type = object({
    organisation        = string
    repositories        = set(string)
    pipeline_repository = string
    release_approvers   = set(number)
    reviews             = number
  })
}

variable "pipeline_database" {
  description = "PostgreSQL of the pipeline itself; see the module rds."
  type = object({
    name              = string
    instance_class    = string
    gigabytes         = number
    maximum_gigabytes = number
    backup_days       = number
  })
}

variable "pipeline_secrets" {
  description = "Secrets of the pipeline itself, with what each is for."
  type        = map(string)
}

variable "backup_secrets" {
  description = "Secrets that only backups need, with what each is for."
  type        = map(string)
}
