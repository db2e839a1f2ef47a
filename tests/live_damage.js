// Files that are not what they should be: what the page says of each. See tests/test_live_networks.py.
(Live, { files }) =>
  files.map((text) => {
    try {
      const network = Live.network(Live.readTensors(Live.fromBase64(text).buffer));
      return { row: network.about.row };
    } catch (error) {
      return { kind: error.constructor.name, message: error.message };
    }
  })
