'use strict';

function total(prices) {
  let sum = 0;
  for (const price of prices) {
    sum += price;
  }
  return sum;
}

function discount(sum) {
  // Regular customers only.
  if (sum > 100) {
    return sum * 0.9;
  }
  return sum;
}

module.exports = { total, discount };
