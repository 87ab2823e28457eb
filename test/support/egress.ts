import { Egress, type EgressOptions } from '../../src/egress/egress.ts'
import { silentLogger } from '../../src/platform/logger.ts'

/** A way out that leads to receivers on this machine; a test says what else is so. */
export function testEgress(changes: Partial<EgressOptions> = {}): Egress {
  return new Egress({
    allowPrivateTargets: true,
    allowedTargetCidrs: undefined,
    deniedTargetCidrs: undefined,
    httpsOnly: false,
    allowedTargetPorts: undefined,
    egressProxy: undefined,
    host: '127.0.0.1',
    port: 0,
    logger: silentLogger(),
    ...changes,
  })
}
