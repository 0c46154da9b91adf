# CloudFront before it, with a firewall. Whoever goes around it meets no address: the load balancer has only private ones.

resource "aws_acm_certificate" "domain" {
  provider = aws.global

  domain_name       = var.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate_validation" "domain" {
  provider = aws.global

  certificate_arn         = aws_acm_certificate.domain.arn
  validation_record_fqdns = [aws_route53_record.validation["domain"].fqdn]
}

data "aws_lb" "gateway" {
  count = var.load_balancer_ready ? 1 : 0

  name = var.name
}

resource "aws_cloudfront_vpc_origin" "gateway" {
  count = var.load_balancer_ready ? 1 : 0

  vpc_origin_endpoint_config {
    name                   = var.name
    arn                    = data.aws_lb.gateway[0].arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "https-only"

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

# CloudFront asks by this name, for which the origin's certificate is, too.
resource "aws_route53_record" "origin" {
  count = var.load_balancer_ready ? 1 : 0

  zone_id = var.zone_id
  name    = "origin.${var.domain}"
  type    = "A"

  alias {
    name                   = data.aws_lb.gateway[0].dns_name
    zone_id                = data.aws_lb.gateway[0].zone_id
    evaluate_target_health = false
  }
}

# What is never the same for two customers is not cached; the application says by `Cache-Control` what may be.
data "aws_cloudfront_cache_policy" "origin_decides" {
  name = "UseOriginCacheControlHeaders-QueryStrings"
}

data "aws_cloudfront_origin_request_policy" "all_viewer" {
  name = "Managed-AllViewer"
}

data "aws_cloudfront_response_headers_policy" "security" {
  name = "Managed-SecurityHeadersPolicy"
}

resource "aws_cloudfront_distribution" "this" {
  #checkov:skip=CKV_AWS_86: Access logs go to CloudWatch by standard logging v2 (logs.tf), which checkov doesn't look for.
  #checkov:skip=CKV_AWS_305: There is no root object: the frontend answers `/`.
  #checkov:skip=CKV_AWS_310: One origin, in three zones; a second one would be a second region.
  #checkov:skip=CKV_AWS_374: ShopKart sells everywhere.
  #checkov:skip=CKV2_AWS_47: The firewall has AWSManagedRulesKnownBadInputsRuleSet, which stops Log4j; checkov doesn't follow `dynamic`.
  count = var.load_balancer_ready ? 1 : 0

  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  aliases         = [var.domain]
  web_acl_id      = aws_wafv2_web_acl.this.arn

  origin {
    origin_id   = "gateway"
    domain_name = "origin.${var.domain}"

    vpc_origin_config {
      vpc_origin_id            = aws_cloudfront_vpc_origin.gateway[0].id
      origin_keepalive_timeout = 60
      origin_read_timeout      = 30
    }
  }

  default_cache_behavior {
    target_origin_id           = "gateway"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = data.aws_cloudfront_cache_policy.origin_decides.id
    origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.all_viewer.id
    response_headers_policy_id = data.aws_cloudfront_response_headers_policy.security.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.domain.certificate_arn
    minimum_protocol_version = "TLSv1.2_2021"
    ssl_support_method       = "sni-only"
  }
}

resource "aws_route53_record" "domain" {
  for_each = var.load_balancer_ready ? toset(["A", "AAAA"]) : []

  zone_id = var.zone_id
  name    = var.domain
  type    = each.key

  alias {
    name                   = aws_cloudfront_distribution.this[0].domain_name
    zone_id                = aws_cloudfront_distribution.this[0].hosted_zone_id
    evaluate_target_health = false
  }
}
