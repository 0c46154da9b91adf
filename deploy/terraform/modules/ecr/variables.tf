variable "prefix" {
  description = "What names of repositories begin with, as `registry.prefix` in the declaration."
  type        = string
  default     = "shopkart/"

  validation {
    condition     = can(regex("^[a-z0-9-]+/$", var.prefix))
    error_message = "Use lower case letters, digits and hyphens, and a slash at the end."
  }
}

variable "repositories" {
  description = "Names of the services whose images are kept."
  type        = set(string)

  validation {
    condition     = length(var.repositories) > 0
    error_message = "Name at least one service."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that images are encrypted with."
  type        = string
}

variable "pulling_role_arns" {
  description = "ARNs of other accounts' roles that pull, such as of the nodes of a cluster there."
  type        = set(string)
  default     = []
}
