// Loaded into a process of the service (`--import`): makes it one of another host, as far as it can see. It has that
// host's name, so that its number (pid) says nothing to processes of other hosts, and its monotonic clock, which is
// FAULTS_CLOCK_RATE times as fast as this one's. A namespace of its own would need rights that containers do not have.
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'

const name = process.env.FAULTS_HOST ?? ''
const rate = Number(process.env.FAULTS_CLOCK_RATE ?? 1)

os.hostname = () => name
syncBuiltinESMExports()

const realNow = performance.now.bind(performance)
Object.defineProperty(performance, 'now', { value: () => realNow() * rate })
