# The gateway inside: the controller makes an internal load balancer of the Gateway, which CloudFront alone reaches.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

resource "aws_iam_role" "controller" {
  name = "${var.name}-load-balancer-controller"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:SourceAccount"                         = data.aws_caller_identity.current.account_id
          "aws:RequestTag/eks-cluster-arn"            = var.cluster.arn
          "aws:RequestTag/kubernetes-namespace"       = "kube-system"
          "aws:RequestTag/kubernetes-service-account" = "aws-load-balancer-controller"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "controller" {
  name = "load-balancers"
  role = aws_iam_role.controller.id

  policy = templatefile("${path.module}/policies/load-balancer-controller.json", {
    partition = data.aws_partition.current.partition
    account   = data.aws_caller_identity.current.account_id
    region    = data.aws_region.current.region
    vpc_id    = var.network.vpc_id
  })
}

resource "aws_eks_pod_identity_association" "controller" {
  cluster_name    = var.cluster.name
  namespace       = "kube-system"
  service_account = "aws-load-balancer-controller"
  role_arn        = aws_iam_role.controller.arn
}

resource "helm_release" "controller" {
  name       = "aws-load-balancer-controller"
  repository = "https://aws.github.io/eks-charts"
  chart      = "aws-load-balancer-controller"
  version    = var.controller_version
  namespace  = "kube-system"

  values = [yamlencode({
    clusterName      = var.cluster.name
    region           = data.aws_region.current.region
    vpcId            = var.network.vpc_id
    replicaCount     = 2
    controllerConfig = { featureGates = { ALBGatewayAPI = true } }
    # The firewall is CloudFront's, so the controller needs no right to change one.
    enableShield = false
    enableWaf    = false
    enableWafv2  = false
  })]

  depends_on = [aws_eks_pod_identity_association.controller]
}

# For both names: CloudFront asks by the origin's, and passes on the one that the customer used.
resource "aws_acm_certificate" "origin" {
  domain_name               = var.domain
  subject_alternative_names = ["origin.${var.domain}"]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # The records that prove both names. That of a name is the same for every certificate of an account.
  validation = {
    domain = one(aws_acm_certificate.domain.domain_validation_options)
    origin = one([
      for option in aws_acm_certificate.origin.domain_validation_options : option if option.domain_name == "origin.${var.domain}"
    ])
  }
}

resource "aws_route53_record" "validation" {
  for_each = toset(["domain", "origin"])

  zone_id = var.zone_id
  name    = local.validation[each.key].resource_record_name
  type    = local.validation[each.key].resource_record_type
  records = [local.validation[each.key].resource_record_value]
  ttl     = 300
}

resource "aws_acm_certificate_validation" "origin" {
  certificate_arn         = aws_acm_certificate.origin.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_security_group" "load_balancer" {
  #checkov:skip=CKV2_AWS_5: The controller attaches it to the load balancer that it makes.
  name        = "${var.name}-load-balancer"
  description = "Lets CloudFront in, and nobody else."
  vpc_id      = var.network.vpc_id
  tags        = { Name = "${var.name}-load-balancer" }
}

data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTPS from CloudFront."
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id = aws_security_group.load_balancer.id
  description       = "To replicas, at whatever port they listen."
  cidr_ipv4         = data.aws_vpc.this.cidr_block
  ip_protocol       = "-1"
}

data "aws_vpc" "this" {
  id = var.network.vpc_id
}

resource "helm_release" "gateway" {
  name             = "shopkart-gateway"
  chart            = "${path.module}/charts/gateway"
  namespace        = "shopkart-gateway"
  create_namespace = true

  values = [yamlencode({
    loadBalancer    = var.name
    certificate     = aws_acm_certificate_validation.origin.certificate_arn
    securityGroup   = aws_security_group.load_balancer.id
    subnets         = var.network.subnet_ids
    routeNamespaces = var.route_namespaces
  })]

  depends_on = [helm_release.controller]
}
