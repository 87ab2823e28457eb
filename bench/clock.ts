/**
 * Microseconds on the machine's monotonic clock. On Linux every process reads the same CLOCK_MONOTONIC, so a time
 * taken by the generator can be compared with one taken by the receiver; wall clocks may jump, so their times cannot.
 */
export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}
