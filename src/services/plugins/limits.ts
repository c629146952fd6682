/** Numbers of plugins that more than one file reads. */

/** Events are delivered and evaluators begin so long after what they look at: the turn comes first. Ten plugins held one up by 10 ms. */
export const pluginEventDelayMs = 50

/** Events that wait for one plugin; of more, it learns how many were lost. */
export const maxPluginEvents = 1_000

/** Tasks and events of plugins are connected so long after the start: what a guest answers with comes first. */
export const pluginDeskMs = 100
