/** All measures, in the order of the report. */
import type { Measure } from './measure.ts'
import { accepts } from './measures/accepts.ts'
import { doors } from './cluster/doors.ts'
import { agents } from './measures/agents.ts'
import { cancel } from './measures/cancel.ts'
import { calls } from './measures/calls.ts'
import { cluster } from './cluster/cluster.ts'
import { channels } from './channels/channels.ts'
import { activePlugins } from './plugins/active-plugins.ts'
import { characters } from './plugins/characters.ts'
import { eliza } from './plugins/eliza.ts'
import { delegation } from './measures/delegation.ts'
import { graphs } from './measures/graphs.ts'
import { crowd } from './measures/crowd.ts'
import { hands } from './measures/hands.ts'
import { handsElsewhere } from './versions/hands-elsewhere.ts'
import { versions } from './versions/versions.ts'
import { hooks } from './plugins/hooks.ts'
import { history } from './measures/history.ts'
import { loadAlike } from './alike/load-alike.ts'
import { turnsAlike } from './alike/turns-alike.ts'
import { load } from './measures/load.ts'
import { memory } from './measures/memory.ts'
import { otherUsers } from './memory/other-users.ts'
import { memoryStore } from './memory/memory-store.ts'
import { mcp } from './measures/mcp.ts'
import { heartbeat } from './programs/heartbeat.ts'
import { programs } from './programs/programs.ts'
import { providers } from './plugins/providers.ts'
import { plugins } from './plugins/plugins.ts'
import { recall } from './recall/measure-recall.ts'
import { given } from './recall/given.ts'
import { learned } from './recall/learned.ts'
import { replay } from './measures/replay.ts'
import { recallSpeed } from './measures/recall-speed.ts'
import { manyPostgresUsers } from './postgres/many-users.ts'
import { postgres } from './postgres/postgres.ts'
import { spaces } from './measures/spaces.ts'
import { start } from './measures/start.ts'
import { stream } from './measures/stream.ts'
import { skills } from './texts/skills.ts'
import { text } from './texts/text.ts'
import { turns } from './measures/turns.ts'
import { clusterFiles } from './versions/cluster-files.ts'
import { plans } from './versions/plans.ts'
import { undo } from './versions/undo.ts'
import { watched } from './measures/watched.ts'
import { wires } from './measures/wires.ts'

export const measures: readonly Measure[] = [
  start,
  spaces,
  turns,
  load,
  turnsAlike,
  loadAlike,
  crowd,
  calls,
  channels,
  cluster,
  watched,
  agents,
  delegation,
  cancel,
  graphs,
  programs,
  heartbeat,
  accepts,
  stream,
  wires,
  memory,
  history,
  replay,
  hands,
  handsElsewhere,
  versions,
  clusterFiles,
  undo,
  plans,
  mcp,
  providers,
  activePlugins,
  skills,
  characters,
  plugins,
  eliza,
  hooks,
  text,
  recall,
  recallSpeed,
  given,
  learned,
  memoryStore,
  otherUsers,
  postgres,
  manyPostgresUsers,
  doors,
]
