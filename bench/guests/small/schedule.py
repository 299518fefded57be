import calendar
from datetime import date, datetime, time, timedelta, timezone

HOLIDAYS = {date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 12, 25)}


def working_days(first, last):
    day = first
    while day <= last:
        if day.weekday() < 5 and day not in HOLIDAYS:
            yield day
        day += timedelta(days=1)


def nth_weekday(year, month, weekday, number):
    days = [day for week in calendar.monthcalendar(year, month) if (day := week[weekday])]
    return date(year, month, days[number - 1 if number > 0 else number])


def every_month(start, count):
    for step in range(count):
        month = start.month - 1 + step
        year, month = start.year + month // 12, month % 12 + 1
        yield date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


def overlaps(meetings):
    meetings = sorted(meetings)
    return [(a[2], b[2]) for a, b in zip(meetings, meetings[1:]) if b[0] < a[1]]


print(len(list(working_days(date(2026, 1, 1), date(2026, 6, 30)))), "working days in the first half of the year")
print("third Tuesdays:", *(nth_weekday(2026, month, calendar.TUESDAY, 3).isoformat() for month in (1, 2, 3)))
print("last Friday:", nth_weekday(2026, 2, calendar.FRIDAY, -1).strftime("%A, %d %B %Y"))
print("rent:", *(day.isoformat() for day in every_month(date(2025, 10, 31), 6)))
zone = timezone(timedelta(hours=5, minutes=30))
call = datetime.combine(date(2026, 3, 1), time(9, 15), tzinfo=zone)
print(call.isoformat(), "is", call.astimezone(timezone.utc).isoformat(), f"week {call.isocalendar().week}")
day = datetime(2026, 3, 2)
meetings = [
    (day.replace(hour=9), day.replace(hour=10, minute=30), "planning"),
    (day.replace(hour=11), day.replace(hour=12), "review"),
    (day.replace(hour=10), day.replace(hour=10, minute=45), "call"),
    (day.replace(hour=11, minute=50), day.replace(hour=13), "lunch"),
]
print(overlaps(meetings))
age = date(2026, 3, 1) - date(1815, 12, 10)
print(f"{age.days:,} days, {age // timedelta(weeks=1):,} weeks, leap years: {calendar.leapdays(1815, 2026)}")
print(datetime.fromisoformat("2026-01-02T03:04:05+00:00").timestamp())
