/** Stands for a kernel in the contract `kill means kill`: starts what resists in a sandbox, says so, and waits to be killed. */
import { startResistance } from '../../src/sandbox/kill-contract.ts'
import type { Resistance } from '../../src/sandbox/kill-contract.ts'
import { makeWorkbench, type WorkbenchOptions } from '../../src/sandbox/sandbox-fixture.ts'

const { kind, ...place } = JSON.parse(process.argv[2]!) as Pick<WorkbenchOptions, 'limits' | 'searchPath'> & { kind: Resistance }
const bench = await makeWorkbench(place)
await startResistance(bench.sandbox, kind)
process.stdout.write(`${JSON.stringify({ root: bench.root })}\n`)
