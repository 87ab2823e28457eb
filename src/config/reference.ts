import type { Setting } from './setting-kinds.ts'
import { settings } from './settings.ts'

const all: readonly Setting<unknown>[] = Object.values(settings)

/** The reference page of all settings, as Markdown. */
export function configurationPage(): string {
  return `<!-- Made by "npm run generate" from src/config/settings.ts. Change it there. -->

# Configuration

Every setting is an environment variable with a default; \`npm start\` needs none. They are read once, at the start.
An empty variable counts as not set. Mistakes stop the start, with a message that names all of them. What looks like a
setting and is none is warned about. Numbers are plain digits; the unit is at the end of the name.

\`webhooks config show\` prints the settings in force, with secrets masked. The service does not read a \`.env\` file, and
says so at the start where one has settings that are not set: Docker Compose and \`node --env-file\` read it.

A secret can also be given as a file: \`<VARIABLE>_FILE\` is its path. White space around its content is ignored.

${all.map(section).join('\n')}`
}

function section({ variable, description, allowed, defaultText, secret }: Setting<unknown>): string {
  const lines = [`## ${variable}`, '', description, '', `- Allowed: ${allowed}`, `- Default: ${defaultText}`]
  if (secret) lines.push(`- Secret: masked wherever it is printed; also as \`${variable}_FILE\``)
  return `${lines.join('\n')}\n`
}

/** The settings of Docker Compose that differ from the defaults. */
const composeValues = [
  {
    variable: 'DATABASE_URL',
    value: 'postgresql://postgres:postgres@db:5432/webhooks',
    why: "PostgreSQL connection string for the 'db' service",
  },
  {
    variable: 'REDIS_URL',
    value: 'redis://redis:6379/0',
    why: "Redis connection string for the 'redis' service",
  },
  { variable: 'LOG_RETENTION_HOURS', value: '72', why: 'How many hours to retain events and delivery logs' },
  {
    variable: 'AUTH',
    value: 'none',
    why: 'No API keys: docker-compose.yml publishes port 8000 on the loopback only. Set "keys" before you publish it wider.',
  },
] as const

/** The file that \`cp .env.example .env\` starts from. */
export function envExample(): string {
  const given = composeValues.map(({ variable, value, why }) => `# ${why}\n${variable}=${value}`)
  const names = new Set<string>(composeValues.map(({ variable }) => variable))
  const others = all
    .filter(({ variable }) => !names.has(variable))
    .map(({ variable, description, allowed, defaultText }) => {
      const literal = /^`([^`]+)`$/.exec(defaultText)?.[1]
      const words = `# ${description}\n# Must be ${allowed}.`
      return literal === undefined
        ? `${words}\n# Default: ${defaultText.replaceAll('`', '')}.\n#${variable}=`
        : `${words}\n#${variable}=${literal}`
    })
  return `# Settings of Docker Compose: cp .env.example .env\n\n${[...given, '# All others, with their defaults.', ...others].join('\n\n')}\n`
}
