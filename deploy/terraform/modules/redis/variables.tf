variable "name" {
  description = "What its parts are named after."
  type        = string

  validation {
    condition     = length(var.name) <= 40
    error_message = "ElastiCache takes 40 characters at most."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Data subnets in three zones."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups of those who connect, by what they are."
  type        = map(string)
}

variable "key_arn" {
  description = "ARN of the KMS key for data and snapshots."
  type        = string
}

variable "logs_key_arn" {
  description = "ARN of the KMS key for logs."
  type        = string
}

variable "log_days" {
  description = "How long logs are kept, in days."
  type        = number
  default     = 365
}

variable "cache" {
  description = "Type of its nodes, and how many: one writes, the others take over."
  type = object({
    node_type = string
    nodes     = number
  })

  validation {
    condition     = var.cache.nodes >= 2 && var.cache.nodes <= 6
    error_message = "Use 2 to 6 nodes: one alone has no replica."
  }
}
