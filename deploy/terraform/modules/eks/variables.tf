variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes, one that rendered manifests are checked against (1.32 to 1.36)."
  type        = string

  validation {
    condition     = can(regex("^1\\.3[2-6]$", var.kubernetes_version))
    error_message = "Use 1.32 to 1.36: for others no manifest was checked."
  }
}

variable "subnet_ids" {
  description = "Private subnets in three zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Give one private subnet in each of three zones."
  }
}

variable "api_client_cidrs" {
  description = "Who reaches the API, which has no public address: the pipeline's network and that of the people's VPN, by what they are for."
  type        = map(string)
  default     = {}
}

variable "key_arn" {
  description = "ARN of the KMS key that Kubernetes' secrets are encrypted with."
  type        = string
}

variable "logs_key_arn" {
  description = "ARN of the KMS key for logs."
  type        = string
}

variable "log_days" {
  description = "How long the control plane's logs are kept, in days."
  type        = number
  default     = 365
}

variable "registry" {
  description = "The registry that nodes pull from: the account's number, its region, and what names of repositories begin with."
  type = object({
    account = string
    region  = string
    prefix  = string
  })
}

variable "nodes" {
  description = "Managed nodes, for what has to be there before Karpenter: how many, and of which types."
  type = object({
    instance_types = list(string)
    minimum        = number
    maximum        = number
    disk_gigabytes = number
  })

  validation {
    condition     = var.nodes.minimum >= 3 && var.nodes.maximum >= var.nodes.minimum
    error_message = "Keep at least three nodes: one in each zone."
  }
}

variable "karpenter" {
  description = "What Karpenter may add: families of instances and how many cores in all. Versions are its chart's."
  type = object({
    version           = optional(string, "1.6.3")
    instance_families = list(string)
    cores             = number
  })

  validation {
    condition     = var.karpenter.cores > 0
    error_message = "A limit above zero is needed: it is what stops a bill that grows by itself."
  }
}

variable "addon_versions" {
  description = "Versions of EKS add-ons by name; the version that AWS recommends for the cluster where nothing is said."
  type        = map(string)
  default     = {}
}

variable "administrators" {
  description = "ARNs of the roles of people who may do everything in the cluster."
  type        = set(string)
}

variable "readers" {
  description = "Who looks at what was deployed: ARNs of roles, by a name. They change nothing and read no secrets."
  type        = map(string)
  default     = {}
}

variable "deployers" {
  description = "Who deploys: the role's ARN by a name, and the namespaces that it may change."
  type = map(object({
    role_arn   = string
    namespaces = list(string)
  }))
  default = {}
}
