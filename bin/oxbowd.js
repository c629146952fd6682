#!/usr/bin/env node
import { launch } from './launch.js'

await launch('oxbowd', 'src/runner/daemon/main.ts')
