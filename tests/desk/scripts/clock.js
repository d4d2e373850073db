// How late the clock is after some answers, for computers whose clock is wrong; in milliseconds.
async () => {
  const { ServerClock } = await import("/desk/clock.js");
  const real = Date.now;
  const second = (ms) => new Date(Math.floor(ms / 1000) * 1000).toUTCString();
  const lateness = (skewMs, answers) => {
    let server = 1_700_000_000_400;
    const clock = new ServerClock();
    Date.now = () => server + skewMs;
    for (let at = 0; at < answers; at++) {
      const sent = Date.now();
      const date = second((server += 40));
      server += 40;
      clock.observe(sent, Date.now(), date);
      server += 237;
    }
    return clock.now() - server;
  };
  const found = { none: lateness(0, 20), fast: lateness(3_600_000, 20), slow: lateness(-90_000, 20), one: lateness(5_000, 1) };
  const clock = new ServerClock();
  clock.observe(1_000_000, 1_000_080, new Date(1_000_000).toUTCString());
  clock.observe(9_000_000, 9_000_080, new Date(1_001_000).toUTCString());
  Date.now = () => 9_000_080;
  found.set = clock.now() - 1_001_080;
  Date.now = real;
  return found;
}
