import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/**
 * Where the caller reached this service, such as `http://localhost:8000`. A host that could hold anything else is not repeated.
 *
 * @throws AppError malformed_request
 */
export function askedAt(request: FastifyRequest): string {
  const { host } = request
  if (/^[A-Za-z0-9._-]{1,253}(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)) {
    const isSecure = request.headers['x-forwarded-proto'] === 'https'
    return `${isSecure ? 'https' : request.protocol}://${host}`
  }
  throw new AppError(
    'malformed_request',
    'The Host header names no host. Ask for this service by its name, or set PUBLIC_URL.',
  )
}
