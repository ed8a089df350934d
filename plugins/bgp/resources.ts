// What the bgp plugin declares.

import { defineResources } from '../../src/resource.ts'
import { bgpNetworkModel, bgpPolicyModel, bgpSpeakerModel } from './models.ts'
import { bgpPeerModel } from './peer/model.ts'
import { bgpSettings } from './settings.ts'

export default defineResources({
  name: 'bgp',
  resources: [bgpSpeakerModel, bgpPolicyModel, bgpPeerModel, bgpNetworkModel],
  settings: bgpSettings
})
