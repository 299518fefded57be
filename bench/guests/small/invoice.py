import json
from decimal import ROUND_HALF_UP, Decimal

ORDER = """
{"customer": "Northwind", "currency": "EUR", "lines": [
  {"item": "bolt M8", "quantity": 250, "price": "0.1849", "tax": "0.19"},
  {"item": "drill", "quantity": 2, "price": "129.90", "tax": "0.19"},
  {"item": "manual", "quantity": 3, "price": "14.95", "tax": "0.07"},
  {"item": "coffee", "quantity": 12, "price": "6.49", "tax": "0.07"}
]}
"""
CENT = Decimal("0.01")


def cents(amount):
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def discount(net):
    if net >= Decimal(300):
        return Decimal("0.05")
    return Decimal("0.02") if net >= Decimal(100) else Decimal(0)


order = json.loads(ORDER)
net_total, taxes = Decimal(0), {}
for line in order["lines"]:
    net = cents(Decimal(line["price"]) * line["quantity"])
    rate = Decimal(line["tax"])
    taxes[rate] = taxes.get(rate, Decimal(0)) + net * rate
    net_total += net
    print(f"{line['quantity']:>4} x {line['item']:<10} {net:>9}")
less = cents(net_total * discount(net_total))
print(f"net {net_total}, discount {less}")
for rate in sorted(taxes):
    print(f"tax {rate:.0%}: {cents(taxes[rate])}")
total = net_total - less + sum(cents(tax) for tax in taxes.values())
print(json.dumps({"customer": order["customer"], "total": str(total), "currency": order["currency"]}))
