/** Servers in the process tier. */
import { makeWorkbench } from '../sandbox-fixture.ts'
import { describeServerContract } from '../server-contract.ts'

describeServerContract('process', makeWorkbench)
