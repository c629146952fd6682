/** What people type for the calls of services: options and arguments follow from it. */
import { z } from 'zod'
import { describedServiceCalls, type Service } from '../kernel/index.ts'
import { configSchemaWith, type JsonObject } from '../types/index.ts'

/** @returns the JSON Schemas of the inputs of these calls of the services, by name. Opens none of them */
export async function inputSchemas(of: readonly Service[], names: ReadonlySet<string>): Promise<ReadonlyMap<string, JsonObject>> {
  const config = configSchemaWith(of.flatMap((service) => service.config ?? [])).parse({})
  const calls = await describedServiceCalls(of, config)
  const named = calls.filter(({ name }) => names.has(name))
  return new Map(named.map(({ name, input }) => [name, z.toJSONSchema(input, { io: 'input' }) as JsonObject]))
}
