variable "name" {
  description = "What its parts, the load balancer among them, are named after."
  type        = string

  validation {
    condition     = length(var.name) <= 32
    error_message = "A load balancer's name has 32 characters at most."
  }
}

variable "cluster" {
  description = "Name and ARN of the cluster that customers' requests go to, once its nodes are there."
  type = object({
    name = string
    arn  = string
  })
}

variable "network" {
  description = "The cluster's network and private subnets."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
}

variable "zone_id" {
  description = "Hosted zone in Route 53 of the domain."
  type        = string
}

variable "domain" {
  description = "Name that customers use, in that zone."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+\\.[a-z]{2,}$", var.domain))
    error_message = "Give a domain such as shop.example.com."
  }
}

variable "load_balancer_ready" {
  description = "Whether the controller has made the load balancer: false for the first apply, true from the second on."
  type        = bool
}

variable "requests_per_five_minutes" {
  description = "How many requests of one address the firewall lets through in five minutes."
  type        = number
  default     = 2000
}

variable "controller_version" {
  description = "Version of the Helm chart of the AWS load balancer controller; its Gateway API is generally available from 3.0.0 on."
  type        = string
  default     = "3.4.2"
}

variable "route_namespaces" {
  description = "Namespaces whose routes may use the gateway."
  type        = list(string)
}

variable "global_logs_key_arn" {
  description = "ARN of a KMS key for logs in us-east-1."
  type        = string
}

variable "log_days" {
  description = "How long logs of the firewall and of requests are kept, in days."
  type        = number
  default     = 365
}
