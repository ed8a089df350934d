// The bgp plugin: border gateways that speak BGP. Nothing of it lives in a packet thread. See
// README.md.

import { definePlugin } from '../../src/plugin.ts'

export default definePlugin({ name: 'bgp' })
