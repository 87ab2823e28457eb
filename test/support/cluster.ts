import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Role } from '../../src/cluster/membership.ts'
import { type Environment, readConfig } from '../../src/config/config.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { type Service, startService } from '../../src/service/service.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { serviceEnvironment, testPaces } from './service.ts'

/** Several services in this process, of one installation: they share a database, and Redis where it is given. */
export interface TestCluster extends AsyncDisposable {
  readonly world: TestDatabase
  readonly environment: Environment
  start(role: Role): Promise<Service>
}

export async function testCluster(settings: Environment = {}): Promise<TestCluster> {
  const world = await testDatabase({ partitions: 'hourly' })
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-e2e-'))
  const environment = { ...serviceEnvironment(world, dataDir), ...settings }
  const services = new Set<Service>()
  return {
    world,
    environment,
    async start(role) {
      const config = readConfig({ ...environment, ROLE: role })
      const service = await startService({ config, logger: silentLogger(), paces: testPaces })
      const close = async () => {
        if (services.delete(service)) await service.close()
      }
      services.add(service)
      return { ...service, close }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...services].map(service => service.close()))
      await world.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
