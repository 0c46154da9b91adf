variable "name" {
  description = "What the database's parts are named after."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Data subnets in three zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Give one data subnet in each of three zones."
  }
}

variable "client_security_group_ids" {
  description = "Security groups of those who connect, by what they are."
  type        = map(string)
}

variable "key_arn" {
  description = "ARN of the KMS key for data, snapshots and the master password."
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

variable "engine_version" {
  description = "Major version of PostgreSQL; minor versions come in the maintenance window."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[6-9]$", var.engine_version))
    error_message = "Give a major version from 16 on, alone: a minor one would stop updates."
  }
}

variable "database" {
  description = "Its name, class and storage in GB, and how many days AWS's own backups are kept."
  type = object({
    name              = string
    instance_class    = string
    gigabytes         = number
    maximum_gigabytes = number
    backup_days       = number
  })

  validation {
    condition     = var.database.backup_days >= 7 && var.database.backup_days <= 35
    error_message = "Keep AWS's backups for 7 to 35 days."
  }

  validation {
    condition     = var.database.maximum_gigabytes > var.database.gigabytes
    error_message = "Leave room to grow: a full disk stops the shop."
  }
}
