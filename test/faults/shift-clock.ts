// Loaded into a process of the service (`--import`): moves the wall clock that it sees by as many milliseconds as the
// file FAULTS_CLOCK_FILE says, at the start and at each SIGUSR2. Monotonic time stays, as on a real machine.
import { readFileSync } from 'node:fs'

const file = process.env.FAULTS_CLOCK_FILE ?? ''
const RealDate = Date
const realNow = Date.now.bind(Date)
let shiftMs = 0

function read(): void {
  shiftMs = Number(readFileSync(file, 'utf8'))
}

read()
process.on('SIGUSR2', read)
// What the process takes for the moment of its start was read from the wrong clock, too.
Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + shiftMs })

globalThis.Date = new Proxy(RealDate, {
  construct: (target, values) =>
    values.length === 0 ? new target(realNow() + shiftMs) : Reflect.construct(target, values),
  apply: () => new RealDate(realNow() + shiftMs).toString(),
  get: (target, name) => (name === 'now' ? () => realNow() + shiftMs : Reflect.get(target, name)),
})
