/** What people type for the calls of services: options and arguments follow from it. */
import { z } from 'zod'
import { describedServiceCalls, type Service } from '../kernel/index.ts'
import { configSchemaWith, type JsonObject } from '../types/index.ts'

/** @returns the JSON Schema of the input of each call of these services, by name. Opens none of them */
export async function inputSchemas(of: readonly Service[]): Promise<ReadonlyMap<string, JsonObject>> {
  const config = configSchemaWith(of.flatMap((service) => service.config ?? [])).parse({})
  const calls = await describedServiceCalls(of, config)
  return new Map(calls.map(({ name, input }) => [name, z.toJSONSchema(input, { io: 'input' }) as JsonObject]))
}
