variable "name" {
  description = "What the network's parts are named after."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cidr" {
  description = "Addresses of the network, a /16, which no network that is peered with it has."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "Give a /16, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Names of the three availability zones."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 3
    error_message = "Name three different zones: a quorum survives the loss of one."
  }
}

variable "nat_gateways" {
  description = "How many NAT gateways: 3 (each zone goes out by itself) or 1 (cheaper, and a zone's loss may cut all off)."
  type        = number

  validation {
    condition     = contains([1, 3], var.nat_gateways)
    error_message = "Use 1 or 3."
  }
}

variable "logs_key_arn" {
  description = "ARN of the KMS key for logs."
  type        = string
}

variable "log_days" {
  description = "How long flow logs are kept, in days."
  type        = number
  default     = 365
}

variable "interface_endpoints" {
  description = "AWS services that are reached without leaving the network, by the last part of their names."
  type        = set(string)
  default = [
    "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "logs", "secretsmanager", "sqs", "sts",
  ]
}

variable "peer" {
  description = "The network, in the same account and region, from which the pipeline comes; null where it is this one."
  type = object({
    vpc_id          = string
    cidr            = string
    route_table_ids = map(string)
  })
  default = null
}
