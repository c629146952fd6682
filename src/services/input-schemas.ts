/** What people type for the calls of services: options and arguments follow from it. */
import { z } from 'zod'
import { describedServiceCalls, type Service } from '../kernel/index.ts'
import type { JsonObject } from '../base/index.ts'
import type { Call } from '../protocol/index.ts'
import { configSchemaWith } from '../config/index.ts'

/**
 * @param others calls that no service in the list has
 * @returns the JSON Schemas of the inputs of the named calls, by name. Opens no service
 */
export async function inputSchemas(
  of: readonly Service[],
  others: readonly Call[],
  names: ReadonlySet<string>,
): Promise<ReadonlyMap<string, JsonObject>> {
  const config = configSchemaWith(of).parse({})
  const { calls } = await describedServiceCalls(of, config)
  const named = [...calls, ...others].filter(({ name }) => names.has(name))
  return new Map(named.map(({ name, input }) => [name, z.toJSONSchema(input, { io: 'input' }) as JsonObject]))
}
